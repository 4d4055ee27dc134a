"""The simulation's clients take what boto3's take: their parameters are those of botocore's own model."""

import inspect

import pytest
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ServiceModel

from tests.simulation import clients

_SKINS = {
    "iam": clients.Iam,
    "secretsmanager": clients.SecretsManager,
    "sns": clients.Sns,
    "dynamodb": clients.DynamoDb,
    "sts": clients.Sts,
}
# What is no call of AWS: of boto3's own making.
_OF_BOTO3 = {"get_paginator", "close"}


def _calls() -> list[tuple[str, str]]:
    return [
        (service, name)
        for service, skin in _SKINS.items()
        for name, _ in inspect.getmembers(skin, inspect.isfunction)
        if not name.startswith("_") and name not in _OF_BOTO3
    ]


@pytest.mark.parametrize(("service", "name"), _calls())
def test_a_call_has_the_parameters_that_botocore_knows_and_all_that_it_requires(
    service: str, name: str
) -> None:
    model = ServiceModel(Loader().load_service_model(service, "service-2"), service)
    (operation,) = [each for each in model.operation_names if xform_name(each) == name]
    shape = model.operation_model(operation).input_shape
    taken = {
        parameter.name
        for parameter in inspect.signature(getattr(_SKINS[service], name)).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    known, required = (set(shape.members), set(shape.required_members)) if shape else (set(), set())

    assert taken <= known
    # What AWS fills in or what our calls always pass.
    assert required <= taken


def test_there_are_calls_to_check() -> None:
    assert ("secretsmanager", "put_secret_value") in _calls()
