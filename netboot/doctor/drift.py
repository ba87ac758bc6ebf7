"""Does the mirror still have what the fetched installers will ask it for?"""

from collections.abc import Iterable
from functools import partial

from netboot.doctor.context import Context
from netboot.doctor.finding import Finding, Severity
from netboot.media import drift
from netboot.media.drift import Fit

_SEVERITY = {
    Fit.FITS: Severity.OK,
    Fit.OUTDATED: Severity.PROBLEM,
    Fit.NO_INDEX: Severity.PROBLEM,
    Fit.NO_UDEBS: Severity.PROBLEM,
    Fit.UNKNOWN: Severity.NOTICE,
}
_drift = partial(Finding, "drift")


def check(context: Context) -> Iterable[Finding]:
    """Each installer beside the mirror."""
    fetched = drift.installers(context.settings.images_dir)
    for one in drift.judge(fetched, context.settings):
        yield _drift(_SEVERITY[one.fit], f"image {one.image}: {one.what}", one.cure)
