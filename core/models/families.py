"""The families of models by name."""

from lawful.core.models.autoregressive import AutoregressiveModel
from lawful.core.models.face import FaceModel
from lawful.core.models.flow_matching import FlowMatchingModel
from lawful.core.models.gan import GANModel
from lawful.core.models.kernel import KernelModel
from lawful.core.models.normalizing_flow import NormalizingFlowModel
from lawful.core.models.vae import VAEModel

FAMILIES: dict[str, type[FaceModel]] = {
    "autoregressive": AutoregressiveModel,
    "flow-matching": FlowMatchingModel,
    "vae": VAEModel,
    "normalizing-flow": NormalizingFlowModel,
    "gan": GANModel,
    "kernel": KernelModel,
}
