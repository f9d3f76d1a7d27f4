"""Operations: one primitive is an array function and its vector-Jacobian products."""
