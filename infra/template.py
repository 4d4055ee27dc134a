"""`python -m infra.template BUCKET`: one plain template and one zip, for whoever deploys by CloudFormation, Terraform or Control Tower.

Of an account that tells by its own topic. Into build/template; neither a bootstrap nor the CDK is needed where it is deployed: the
functions' code is taken from BUCKET, which whoever deploys must be able to read, in the Region of the stack.
"""

import json
import re
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import aws_cdk as cdk

from infra.stack import AccessKeyRotation

ROOT = Path(__file__).resolve().parents[1]
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# Zip's own earliest day: the same sources are the same file.
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def write(bucket: str, target: Path, *, outdir: Path, context: dict[str, object]) -> tuple[Path, Path]:
    """The template and the zip. `outdir`: where the CDK works; `context`: cdk.json's."""
    app = cdk.App(
        outdir=str(outdir),
        context=context,
        # It names the bucket outright, and asks for no bootstrap.
        default_stack_synthesizer=cdk.CliCredentialsStackSynthesizer(file_assets_bucket_name=bucket),
    )
    stack = AccessKeyRotation(app, "AccessKeyRotation")
    made = app.synth()
    template = made.get_stack_by_name(stack.stack_name).template
    for resource in template["Resources"].values():
        # Where things lay on this machine.
        resource.pop("Metadata", None)
    assets = json.loads((outdir / "AccessKeyRotation.assets.json").read_text())["files"]
    ((key, folder),) = [
        (where["objectKey"], outdir / asset["source"]["path"])
        for asset in assets.values()
        if asset["source"]["packaging"] == "zip"
        for where in asset["destinations"].values()
    ]
    target.mkdir(parents=True, exist_ok=True)
    path = target / "AccessKeyRotation.template.json"
    path.write_text(json.dumps(template, separators=(",", ":")))
    pack(folder, target / key)
    return path, target / key


def pack(folder: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for each in sorted(folder.rglob("*")):
            if each.is_file():
                entry = zipfile.ZipInfo(each.relative_to(folder).as_posix(), date_time=_LONG_AGO)
                # Readable for Lambda, which runs as another user.
                entry.external_attr = 0o644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                packed.writestr(entry, each.read_bytes())


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code."""
    if len(arguments) != 1 or not _BUCKET.fullmatch(arguments[0]):
        sys.stderr.write("BUCKET is to be the name of the bucket that the code will lie in\n")
        return 2
    (bucket,) = arguments
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    with TemporaryDirectory() as outdir:
        template, archive = write(bucket, ROOT / "build" / "template", outdir=Path(outdir), context=context)
    for path in (template, archive):
        sys.stdout.write(f"{path.relative_to(ROOT)}  {path.stat().st_size:,} bytes\n")
    sys.stdout.write(
        f"\naws s3 cp {archive.relative_to(ROOT)} s3://{bucket}/{archive.name}\n"
        f"aws s3 cp {template.relative_to(ROOT)} s3://{bucket}/{template.name}\n"
        "aws cloudformation create-stack --stack-name AccessKeyRotation --capabilities CAPABILITY_NAMED_IAM \\\n"
        f"  --template-url https://{bucket}.s3.amazonaws.com/{template.name} --parameters ParameterKey=AlertEmail,ParameterValue=YOU@EXAMPLE.COM\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
