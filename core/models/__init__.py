"""Generative models of lawful events: exact likelihood of a state and of the coordinates on its face."""

from lawful.core.models.autoregressive import AutoregressiveModel
from lawful.core.models.bagged import BaggedModel
from lawful.core.models.base import Batch, GenerativeModel, Settings
from lawful.core.models.face import FaceModel
from lawful.core.models.families import FAMILIES
from lawful.core.models.sampling import InfeasibleEventsError, Sampled, sample_events
from lawful.core.models.windows import WindowModel

Model = BaggedModel | WindowModel
"""What a run trains."""

__all__ = [
    "FAMILIES",
    "AutoregressiveModel",
    "BaggedModel",
    "Batch",
    "FaceModel",
    "GenerativeModel",
    "InfeasibleEventsError",
    "Model",
    "Sampled",
    "Settings",
    "WindowModel",
    "sample_events",
]
