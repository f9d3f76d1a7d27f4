"""Checks of 00, tensors and shapes."""

from course import close, exercise


@exercise
def exercise_1(shape):
    if tuple(shape) != (8, 3, 5):
        return "Write the shapes one above the other, flush right: (8, 1, 5) and (3, 1). Each 1 takes the other length."


@exercise
def exercise_2(table):
    wanted = [[-1.22474487, -1.01904933], [0.0, -0.33968311], [1.22474487, 1.35873244]]
    if tuple(table.shape) != (3, 2):
        return f"The shape should stay (3, 2), and is {tuple(table.shape)}."
    if not close(table.mean(0), [0, 0]):
        return "Each column should have the mean 0: subtract table.mean(0), not table.mean()."
    if not close(table, wanted):
        return "The means are 0; now divide by table.std(0, correction=0)."


@exercise
def exercise_3(one_hot):
    if tuple(one_hot.shape) != (4, 3):
        return f"The shape should be (4, 3), and is {tuple(one_hot.shape)}. labels[:, None] is a column."
    if not close(one_hot.float(), [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]):
        return "The 1 belongs into the column with the number of the class: compare with ==."
    if str(one_hot.dtype) != "float32":
        return "Nearly: a comparison gives bool. .float() makes numbers of it."


@exercise
def exercise_4(pair):
    true, guess = (int(value) for value in pair)
    if true == guess:
        return "That is no confusion: leave the diagonal out."
    if (true, guess) != PAIR:
        return ("Count with ag.zeros(10, 10): counts[true, guess] += 1 for each image; then look "
                "for the largest beside the diagonal.")


PAIR = (5, 3)  # 35 of the 2,000
