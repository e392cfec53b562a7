"""Every differentiable operation: value and derivative side by side. The public names are each module's ``__all__``."""

from types import ModuleType as _Module

from . import aten
from .activation import *
from .along import *
from .attention import *
from .bounds import *
from .compare import *
from .complexes import *
from .contraction import *
from .conv import *
from .convert import *
from .copies import *
from .creation import *
from .crossentropy import *
from .cumulative import *
from .decompositions import *
from .dropouts import *
from .elementwise import *
from .extremes import *
from .factors import *
from .filling import *
from .finite import *
from .index import *
from .join import *
from .legacy import *
from .linalg import *
from .loss import *
from .lowrank import *
from .margin import *
from .masks import *
from .norm import *
from .norms import *
from .padding import *
from .parts import *
from .pool import *
from .powers import *
from .products import *
from .promotion import result_type as result_type
from .random import *
from .ranges import *
from .reduce import *
from .rounding import *
from .rows import *
from .shape import *
from .softmaxes import *
from .solving import *
from .sorting import *
from .special import *
from .splitting import *
from .statistics import *
from .strided import *
from .taking import *
from .trig import *
from .views import *

# The operations alone: the modules here must not hide packages of the same name (special, linalg) from the front door.
__all__ = [name for name, value in globals().items() if name[0] != "_" and not isinstance(value, _Module)]
