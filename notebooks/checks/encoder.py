"""Checks of 10, a sentence encoder that learns more."""

import numpy as np

import autograd_nn as ag
from autograd_nn import nn
from course import close, exercise


@exercise
def exercise_1(mean_of_words):
    x = np.random.default_rng(0).standard_normal((2, 4, 3)).astype(np.float32)
    mask = np.array([[1, 1, 1, 0], [1, 0, 0, 0]], np.float32)
    found = mean_of_words(ag.tensor(x), ag.tensor(mask))
    if found is ...:
        return ...
    wanted = np.stack([x[0, :3].mean(0), x[1, 0]])
    if tuple(found.shape) != wanted.shape:
        return f"One vector for each sentence is of shape (2, 3); yours has shape {tuple(found.shape)}."
    if close(found, x.mean(1)):
        return "That counts the padding as words. Multiply by the mask, and divide by how many words there are."
    if close(found, wanted * mask.sum(1, keepdims=True) / 4):
        return "The sum is right; divide it by the number of words of each sentence, mask.sum(1), not by the length."
    if not close(found, wanted):
        return "Sum x * mask over the places, and divide by the sum of the mask."


@exercise
def exercise_2(most_similar):
    vectors = np.array([[9.0, 9.0], [0.1, 0.0], [-3.0, 0.0], [1.0, 0.2], [0.0, 2.0]], np.float32)
    found = most_similar(ag.tensor([2.0, 0.0]), ag.tensor(vectors), 3)
    if found is ...:
        return ...
    found = [int(i) for i in found]
    if found == [0, 3, 1]:
        return "Those are the largest products; long vectors win. Give all of them length 1 first."
    if found == [2, 4, 0]:
        return "Those are the least similar. Sort the other way round."
    if found != [1, 3, 0]:
        return f"The places of the three nearest by angle, nearest first, are 1, 3, 0; yours are {found}."


@exercise
def exercise_3(groups):
    encoder = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4))
    encoder[0].requires_grad_(False)
    head = nn.Linear(4, 2)
    found = groups(encoder, head, 3e-3)
    if found is ...:
        return ...
    rates = {id(p): group["lr"] for group in found for p in group["params"]}
    if id(encoder[0].weight) in rates:
        return "The frozen embedding is among them: leave out what does not require a gradient."
    if any(id(p) not in rates for p in [*encoder[1].parameters(), *head.parameters()]):
        return "Some parameter of the encoder or of the head is missing."
    if any(not close(rates[id(p)], 3e-3, 1e-9) for p in head.parameters()):
        return "The head begins at random: it gets the whole rate."
    if any(not close(rates[id(p)], 1e-4, 1e-9) for p in encoder[1].parameters()):
        return "The encoder gets lr / 30."
