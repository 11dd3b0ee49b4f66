"""Trains the classifier and saves it in BentoML's model store: `python -m service_example.train`.

With the model lies its reference, the training data summed up, which `observe` finds there and compares what is served
with. The version in the model's tag is a digest of all that makes the two what they are, so training again for the same
result is left out.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
from pathlib import Path

import bentoml
import joblib
import pandas as pd
import sklearn
from bentoml.exceptions import NotFound
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from bento_observe import Reference, __version__
from bento_observe.features.reference import BadReferenceError
from service_example.wine import MODEL, PIPELINE_FILE, PREDICTION, load

__all__ = ["train"]


def train(force: bool = False) -> str:
    """Train and save the model unless it is there already (or with `force` anyway); returns its tag."""
    tag = f"{MODEL}:{_version()}"
    if not force and _is_whole(tag):
        return tag
    wines, cultivars = load()
    learn, hold, learn_cultivars, hold_cultivars = train_test_split(
        wines, cultivars, test_size=0.3, stratify=cultivars, random_state=0
    )
    pipeline: Pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    pipeline.fit(learn, learn_cultivars)
    accuracy = float(pipeline.score(hold, hold_cultivars))
    reference = _reference(pipeline, learn, learn_cultivars)
    if _exists(tag):
        bentoml.models.delete(tag)
    with bentoml.models.create(
        tag, labels={"data": "wine"}, metadata={"accuracy": round(accuracy, 4), "trained_on": len(learn)}
    ) as model:
        joblib.dump(pipeline, model.path_of(PIPELINE_FILE))
        reference.save(model.path_of(Reference.FILE))
    return tag


def _reference(pipeline: Pipeline, wines: pd.DataFrame, cultivars: pd.Series[int]) -> Reference:
    """The wines, what the model says of them, and what they are.

    The predictions are probabilities, as `classify` returns them, so that with the labels they say how good the model
    is to be expected to be. Of a verdict the id carries the same; its fields are counted without a reference.
    """
    # Of wines that the model was not fitted on, as those that it will be asked about. In many parts, since models that
    # are fitted on a fifth less are less sure than the one that is served, which would look like drift.
    probabilities = cross_val_predict(pipeline, wines, cultivars, cv=20, method="predict_proba")
    predicted = pd.DataFrame(probabilities, columns=list(map(str, pipeline.classes_)))
    return Reference.from_frame(wines, prediction=predicted, label=cultivars.rename(PREDICTION))


def _version() -> str:
    """A digest of this code and of the versions that a pickled pipeline and its reference depend on."""
    digest = hashlib.sha256()
    for module in ("train.py", "wine.py"):
        digest.update(Path(__file__).with_name(module).read_bytes())
    digest.update(f"{sklearn.__version__} {platform.python_version()} {__version__}".encode())
    return digest.hexdigest()[:12]


def _exists(tag: str) -> bool:
    try:
        bentoml.models.get(tag)
    except NotFound:
        return False
    return True


def _is_whole(tag: str) -> bool:
    """Whether the model is there, with a reference that this version of bento_observe can read."""
    try:
        Reference.of_model(tag)
    except BadReferenceError:
        return False
    return True


def main() -> None:
    """Train, and print the tag."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--force", action="store_true", help="train even if the model is there already")
    print(train(parser.parse_args().force))


if __name__ == "__main__":
    main()
