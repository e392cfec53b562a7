"""Every differentiable operation: value and derivative side by side. The public names are each module's ``__all__``."""

from .convert import *
from .creation import *
from .elementwise import *
from .reduce import *
from .views import *
