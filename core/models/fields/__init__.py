"""Fields on a grid, whose block means are given: a coarse field made fine."""

from lawful.core.models.fields.batch import Fields
from lawful.core.models.fields.charts import LinearFields, PositiveFields
from lawful.core.models.fields.model import FieldModel, FieldSettings

__all__ = ["FieldModel", "FieldSettings", "Fields", "LinearFields", "PositiveFields"]
