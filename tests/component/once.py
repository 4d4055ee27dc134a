"""What botocore and moto work out anew for every client or call though it never changes, worked out once.

About a third of the time of these tests otherwise. No answer and no effect is another one for it.
"""

import functools

import botocore.session
import moto.core.responses
import moto.sns.models
import moto.sns.responses
import moto.sqs.models
import pytest
from botocore.useragent import UserAgentString
from moto.core.utils import camelcase_to_underscores, method_names_from_class


def once(patch: pytest.MonkeyPatch) -> None:
    # Read from disk.
    patch.setattr(botocore.session, "create_loader", functools.cache(botocore.session.create_loader))
    names = functools.cache(method_names_from_class)
    patch.setattr(moto.core.responses, "method_names_from_class", names)
    spelling = functools.cache(camelcase_to_underscores)
    for module in (moto.core.responses, moto.sns.models, moto.sns.responses, moto.sqs.models):
        patch.setattr(module, "camelcase_to_underscores", spelling)
    patch.setattr(UserAgentString, "to_string", lambda _: "tests")
