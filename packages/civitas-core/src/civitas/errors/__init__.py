"""Every error that Civitas raises on purpose.

    CivitasError
    ├── ConfigurationError        bad arguments, a missing extra, a plugin that does not fit
    │   ├── TopologyError         a topology file that cannot be run (.file, .line)
    │   └── PluginError           a plugin that was refused (.plugin, .hook)
    ├── PayloadError              a payload that cannot be sent (.path)
    ├── DeliveryError             an `ask`, `send` or `stream` that got no answer
    │   ├── UnknownAgent          nobody has that name (.name, .suggestions)
    │   ├── AskTimeout            no answer in time; also a builtin TimeoutError (.run)
    │   ├── HandlerFailed         the handler raised (.agent, .error_type, .error_message)
    │   │   └── UnknownInterrupt  a `resume` names no open interrupt
    │   ├── NoReply               the handler returned None
    │   ├── AgentTerminated       it was stopped, or its supervisor gave up, before it answered
    │   ├── NodeDown              its OS process or machine went away before it answered
    │   ├── MailboxFull           its mailbox stayed full for the whole timeout
    │   ├── NotStored             the broker that keeps its messages did not take this one (.unsure)
    │   ├── BudgetExceeded        a budget is used up (.agent, .budget, .what, .limit, .used)
    │   ├── AskCycle              the ask would wait for itself (.cycle)
    │   ├── RunChanged            the code is not the one that the run began with (.run, .differences, .held)
    │   ├── RunConflict           another payload began the run of that name (.run)
    │   ├── RunCancelled          the run was cancelled before it had an answer (.run)
    │   └── UnknownRun            no run has that name, or its answer is not kept any more (.run)
    ├── NoProgress                a run was cancelled by its agent's `progress_timeout` (.agent, .last)
    ├── UnknownDeadLetter         no dead letter has that number or id (.key)
    ├── SupervisorGaveUp          a supervisor ran out of restarts
    ├── StartFailed               a child did not start (.child, .cause)
    ├── SupervisionError          a child administration call was refused (.reason)
    ├── ToolFailed                a tool of an MCP server failed, or the server is not there (.tool, .server)
    └── StateStoreError           a state store could not read or write (.key)
        └── StateConflict         somebody else has written what was to be replaced (.expected, .found)

Each message says what happened, to which agent, and what to do next; each fact in it is an attribute too.
"""

from civitas.errors.base import (
    CivitasError,
    ConfigurationError,
    PayloadError,
    PluginError,
    TopologyError,
)
from civitas.errors.delivery import (
    AgentTerminated,
    AskCycle,
    AskTimeout,
    BudgetExceeded,
    DeliveryError,
    HandlerFailed,
    MailboxFull,
    NodeDown,
    NoReply,
    NotStored,
    RunCancelled,
    RunChanged,
    RunConflict,
    UnknownAgent,
    UnknownInterrupt,
    UnknownRun,
)
from civitas.errors.runs import NoProgress, UnknownDeadLetter
from civitas.errors.state import (
    StateConflict,
    StateStoreError,
)
from civitas.errors.supervision import (
    StartFailed,
    SupervisionError,
    SupervisorGaveUp,
)
from civitas.errors.tools import ToolFailed

__all__ = [
    "AgentTerminated",
    "AskCycle",
    "AskTimeout",
    "BudgetExceeded",
    "CivitasError",
    "ConfigurationError",
    "DeliveryError",
    "HandlerFailed",
    "MailboxFull",
    "NoProgress",
    "NoReply",
    "NodeDown",
    "NotStored",
    "PayloadError",
    "PluginError",
    "RunCancelled",
    "RunChanged",
    "RunConflict",
    "StartFailed",
    "StateConflict",
    "StateStoreError",
    "SupervisionError",
    "SupervisorGaveUp",
    "ToolFailed",
    "TopologyError",
    "UnknownAgent",
    "UnknownDeadLetter",
    "UnknownInterrupt",
    "UnknownRun",
]

for _name in __all__:
    globals()[_name].__module__ = __name__  # as it is imported, and as a traceback should show it
del _name
