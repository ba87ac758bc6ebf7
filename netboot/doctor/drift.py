"""Does the mirror still have what the fetched installers will ask it for?"""

from collections.abc import Iterable
from functools import partial
from itertools import groupby
from operator import attrgetter

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
    """Each installer beside the mirror; what is said of several alike is said once."""
    fetched = drift.installers(context.settings.images_dir)
    said = attrgetter("fit", "what", "cure")
    for (fit, what, cure), alike in groupby(drift.judge(fetched, context.settings), said):
        images = ", ".join(one.image for one in alike)
        noun = "images" if "," in images else "image"
        yield _drift(_SEVERITY[fit], f"{noun} {images}: {what}", cure)
