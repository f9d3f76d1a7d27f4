"""Checks of 04, over-fitting and regularisation."""

from course import close, exercise


@exercise
def exercise_1(degree):
    if int(degree) < 3:
        return "Too stiff: it cannot follow the wave. Look where the *validation* error is smallest."
    if int(degree) > 7:
        return "The training error still falls there, but the validation error has begun to rise."


@exercise
def exercise_2(dropped):
    row = [float(value) for value in dropped]
    if len(row) != 6:
        return f"Six numbers should come out, not {len(row)}."
    if close(row, [1, 0, 3, 4, 0, 0]):
        return "The mask is right. To keep the mean, divide what is left by the share that stays, 1 - p."
    if not close(row, [2, 0, 6, 8, 0, 0]):
        return "Multiply by the mask, then divide by 1 - p = 0.5."


@exercise
def exercise_3(accuracy):
    accuracy = float(accuracy)
    if accuracy > 1:
        return "Give the share, between 0 and 1."
    if accuracy > 0.95:
        return "So good with 300 digits? Make sure that it was measured on the test set, and trained on the 300 only."
    if accuracy < 0.86:
        return ("Try both remedies together: Dropout between the layers, weight_decay in AdamW, "
                "and shifted digits as new examples.")
