"""What ``babelwatch backfill`` does before it sends: look through all files, and say what sending them would refuse."""

import json
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import BinaryIO

from pipeline.detect import Limits
from pipeline.errors import InputError, LinesRejected
from pipeline.sources.place import unwritable
from pipeline.sources.plan import Plan
from pipeline.sources.rejects import Rejects
from pipeline.sources.survey import Survey, as_fields, describe, survey


def check(
    work: Sequence[tuple[Plan, BinaryIO]], limits: Limits, *, skip: bool, dry_run: bool, as_json: bool
) -> list[int]:
    """Look through every file and leave each stream at its start; return rows per file.

    Raises InputError when rows are out of range, unless ``skip``; else, in a dry run, LinesRejected when sending would.
    """
    found = [_look(plan, stream, limits, list_invalid=dry_run, show=not as_json) for plan, stream in work]
    plans = [plan for plan, _ in work]
    outside = [
        f"{each.out_of_range:,} of {plan.name} (all lines are in {plan.out_of_range})"
        for plan, each in zip(plans, found, strict=True)
        if each.out_of_range
    ]
    refused = bool(outside) and not skip
    if as_json and (dry_run or refused):
        # where the files are sent, the one object per file is what became of it
        for plan, each in zip(plans, found, strict=True):
            listed = str(plan.out_of_range) if each.out_of_range else None
            print(json.dumps({"file": plan.name, "dry_run": dry_run, **as_fields(each), "out_of_range_file": listed}))
    if refused:
        raise InputError(
            f"rows out of range: {'; '.join(outside)}. Nothing was sent. Correct their dates, leave them out with "
            "--skip-out-of-range, or set a greater BABELWATCH_MAX_AGE_DAYS (for the language workers too)"
        )
    rejected = sum(each.invalid + each.out_of_range for each in found)
    if dry_run and rejected:
        raise LinesRejected(f"{rejected:,} rows would be rejected; the others can be sent")
    return [each.rows for each in found]


def _look(plan: Plan, stream: BinaryIO, limits: Limits, *, list_invalid: bool, show: bool) -> Survey:
    """Survey one file; rows out of range are listed in its file for them, which is gone when there are none."""
    with ExitStack() as stack:
        listed = stack.enter_context(closing(Rejects(plan.out_of_range, source=plan.name)))
        invalid = stack.enter_context(closing(Rejects(None, source=plan.name))) if list_invalid else None
        found = survey(plan, stream, limits, listed, invalid=invalid)
    if plan.out_of_range is not None and not found.out_of_range:
        _remove(plan.out_of_range)
    stream.seek(0)
    if show:
        print(f"{plan.name}: {describe(found)}")
    return found


def _remove(path: Path) -> None:
    """Remove the list of an earlier check. Raises InputError."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        # a read-only mount says so even of a file that is not there, which is as good as removed
        if path.exists():
            raise unwritable(path, error) from None
