"""Checks of 07, your own data."""

from course import exercise


@exercise
def exercise_1(rows):
    if str(rows).strip().lower() != "training":
        return "Whatever is computed from rows has seen them, and so has the model that reads it."


@exercise
def exercise_2(leaks):
    leaks, wanted = set(leaks), {"letters_about_second_stay", "bed_of_second_stay"}
    if leaks - wanted:
        return f"Known when the patient leaves: {', '.join(sorted(map(str, leaks - wanted)))}."
    if leaks != wanted:
        return "There is another that exists only if the patient has come back."


@exercise
def exercise_3(accuracy):
    accuracy = float(accuracy)
    if accuracy > 1:
        return "Give the share, between 0 and 1."
    if accuracy < 0.70:
        return ("RandomInvert(0.5) swaps dark and light: then dark says nothing. Strong "
                "ColorJitter(brightness=0.8) helps too.")
