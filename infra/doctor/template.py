"""A template with the values that CloudFormation put in: parameters, conditions, references to what it made.

Of CloudFormation's functions those that this stack's template has, and their near relatives. What is not known here is
refused by name: a value that was guessed would be a false alarm, or none where there should be one.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


class Unresolved(Exception):
    """The message names what is not known."""


class _Absent:
    """AWS::NoValue: CloudFormation leaves the property, or the member of the list, out."""


ABSENT = _Absent()
# ${Name} or ${Name.Attribute}; ${!Literal} stands for ${Literal}.
_IN_SUB = re.compile(r"\$\{(!?)([^}]+)\}")
# The attributes that are no ARN, from the physical id.
_ATTRIBUTES: Mapping[tuple[str, str], Callable[[str], str]] = {
    ("AWS::SNS::Topic", "TopicName"): lambda arn: arn.rpartition(":")[2],
    ("AWS::SNS::Topic", "TopicArn"): str,
    ("AWS::SQS::Queue", "QueueName"): lambda url: url.rpartition("/")[2],
    ("AWS::SQS::Queue", "QueueUrl"): str,
}


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A template as it is deployed. `parameters` and `physical_ids`: by their names in the template; `pseudo`: AWS::Region and its like."""

    template: Mapping[str, Any]
    parameters: Mapping[str, str]
    physical_ids: Mapping[str, str]
    pseudo: Mapping[str, str]

    def resources(self, kind: str) -> dict[str, Mapping[str, Any]]:
        """Those of a type whose condition holds, by logical id."""
        return {
            logical_id: each
            for logical_id, each in self.template["Resources"].items()
            if each["Type"] == kind and self.holds(each.get("Condition"))
        }

    def properties(self, logical_id: str) -> dict[str, Any]:
        """Of one resource, as they were deployed."""
        resolved: dict[str, Any] = self.resolve(self.template["Resources"][logical_id].get("Properties", {}))
        return resolved

    def path(self, logical_id: str) -> str:
        """The construct's path within the stack: `Scanner/Role`."""
        path = str(self.template["Resources"][logical_id].get("Metadata", {}).get("aws:cdk:path", logical_id))
        return path.partition("/")[2].removesuffix("/Resource") or logical_id

    def physical_id(self, logical_id: str) -> str:
        if logical_id not in self.physical_ids:
            raise Unresolved(f"{logical_id}: the stack has made no such resource")
        return self.physical_ids[logical_id]

    def arn(self, logical_id: str) -> str:
        """Made of the physical id. AWS's ARNs are documented; which part the physical id is, differs."""
        physical_id = self.physical_id(logical_id)
        kind = self.template["Resources"][logical_id]["Type"]
        partition, region = self.pseudo["AWS::Partition"], self.pseudo["AWS::Region"]
        account = self.pseudo["AWS::AccountId"]

        def here(service: str, resource: str) -> str:
            return f"arn:{partition}:{service}:{region}:{account}:{resource}"

        match kind:
            case "AWS::SNS::Topic":
                return physical_id
            case "AWS::IAM::Role":
                path = str(self.properties(logical_id).get("Path", "/"))
                return f"arn:{partition}:iam::{account}:role{path}{physical_id}"
            case "AWS::Lambda::Function":
                return here("lambda", f"function:{physical_id}")
            case "AWS::SQS::Queue":
                return here("sqs", physical_id.rpartition("/")[2])
            case "AWS::KMS::Key":
                return here("kms", f"key/{physical_id}")
            case "AWS::DynamoDB::Table":
                return here("dynamodb", f"table/{physical_id}")
            case "AWS::CloudWatch::Alarm":
                return here("cloudwatch", f"alarm:{physical_id}")
            case "AWS::Logs::LogGroup":
                # As CloudFormation says it: with the streams.
                return here("logs", f"log-group:{physical_id}:*")
        raise Unresolved(f"the ARN of an {kind} ({logical_id})")

    def holds(self, condition: Any) -> bool:
        """Whether a condition, by its name or as it is written, is true. None, of what has no condition, is."""
        match condition:
            case None:
                return True
            case str(name):
                if name not in self.template.get("Conditions", {}):
                    raise Unresolved(f"the condition {name}")
                return self.holds(self.template["Conditions"][name])
            case {"Condition": str(name)}:
                return self.holds(name)
            case {"Fn::Equals": [one, other]}:
                return bool(self.resolve(one) == self.resolve(other))
            case {"Fn::Not": [inner]}:
                return not self.holds(inner)
            case {"Fn::And": [*each]}:
                return all(self.holds(one) for one in each)
            case {"Fn::Or": [*each]}:
                return any(self.holds(one) for one in each)
        raise Unresolved(f"a condition: {condition}")

    def resolve(self, value: Any) -> Any:
        """A value with all its functions carried out; ABSENT for AWS::NoValue. Raises Unresolved."""
        match value:
            case {"Ref": str(name)} if len(value) == 1:
                return self._ref(name)
            case dict() if len(value) == 1 and str(next(iter(value))).startswith("Fn::"):
                [(function, argument)] = value.items()
                return self._function(str(function), argument)
            case dict():
                held = {name: self.resolve(each) for name, each in value.items()}
                return {name: each for name, each in held.items() if each is not ABSENT}
            case list():
                members = [self.resolve(each) for each in value]
                return [each for each in members if each is not ABSENT]
        return value

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return ABSENT
        if name in self.pseudo:
            return self.pseudo[name]
        if name in self.template.get("Parameters", {}):
            return self._parameter(name)
        return self.physical_id(name)

    def _parameter(self, name: str) -> str | list[str]:
        declared = self.template["Parameters"][name]
        given = self.parameters.get(name, declared.get("Default"))
        if given is None:
            raise Unresolved(f"the parameter {name}")
        kind = str(declared.get("Type", "String"))
        if kind == "CommaDelimitedList" or "List<" in kind:
            return [each.strip() for each in str(given).split(",")]
        return str(given)

    def _function(self, function: str, argument: Any) -> Any:
        match function, argument:
            case "Fn::GetAtt", [str(logical_id), str(attribute)]:
                return self._attribute(logical_id, attribute)
            case "Fn::If", [condition, then, otherwise]:
                return self.resolve(then if self.holds(condition) else otherwise)
            case "Fn::Join", [str(separator), parts]:
                return separator.join(map(_text, self._listed(function, parts)))
            case "Fn::Select", [index, members]:
                return self._listed(function, members)[int(self.resolve(index))]
            case "Fn::Split", [str(separator), whole]:
                return _text(self.resolve(whole)).split(separator)
            case "Fn::Sub", str(text):
                return self._substituted(text, {})
            case "Fn::Sub", [str(text), dict(names)]:
                return self._substituted(text, names)
        raise Unresolved(f"{function} of {argument}")

    def _listed(self, function: str, value: Any) -> list[Any]:
        members = self.resolve(value)
        if not isinstance(members, list):
            raise Unresolved(f"{function} of what is no list: {value}")
        return members

    def _attribute(self, logical_id: str, attribute: str) -> str:
        if logical_id not in self.template["Resources"]:
            raise Unresolved(f"{logical_id}.{attribute}")
        if attribute == "Arn":
            return self.arn(logical_id)
        kind = self.template["Resources"][logical_id]["Type"]
        if (kind, attribute) not in _ATTRIBUTES:
            raise Unresolved(f"{attribute} of an {kind} ({logical_id})")
        return _ATTRIBUTES[kind, attribute](self.physical_id(logical_id))

    def _substituted(self, text: str, names: Mapping[str, Any]) -> str:
        def put_in(found: re.Match[str]) -> str:
            literal, name = found.groups()
            if literal:
                return f"${{{name}}}"
            if name in names:
                return _text(self.resolve(names[name]))
            logical_id, dot, attribute = name.partition(".")
            return _text(self._attribute(logical_id, attribute) if dot else self._ref(name))

        return _IN_SUB.sub(put_in, text)


def _text(value: Any) -> str:
    """What is joined with others."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise Unresolved(f"a text with what is none in it: {value}")
