"""Fields on a grid, whose block means are given: a coarse field made fine."""

from lawful.core.models.fields.batch import Fields
from lawful.core.models.fields.charts import LinearFields
from lawful.core.models.fields.model import FieldModel, FieldSettings
from lawful.core.models.fields.positive import PositiveFields

__all__ = ["FieldModel", "FieldSettings", "Fields", "LinearFields", "PositiveFields"]
