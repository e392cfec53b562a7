"""Every differentiable operation: value and derivative side by side. The public names are each module's ``__all__``."""

from .bounds import *
from .compare import *
from .complexes import *
from .convert import *
from .creation import *
from .cumulative import *
from .elementwise import *
from .extremes import *
from .along import *
from .index import *
from .norms import *
from .powers import *
from .reduce import *
from .rounding import *
from .softmaxes import *
from .sorting import *
from .statistics import *
from .strided import *
from .trig import *
from .views import *
