"""Is a step fit to learn from? Asked after its gradient is known and before the weights move."""

import math
from dataclasses import dataclass

LOSS_SPIKE = 20.0  # standard deviations above the mean
NORM_SPIKE = 100.0  # times the mean; clipping takes care of less
UNJUDGED = 50  # steps before spikes are looked for: at first losses fall and gradients change by much
DECAY = 0.98  # of the means


@dataclass(frozen=True)
class Health:
    """What the losses and gradient norms of the last steps were like, as means that forget."""

    steps: int = 0
    loss: float = 0.0
    variance: float = 0.0  # of the loss
    norm: float = 0.0

    def trouble(self, loss: float, norm: float) -> str | None:
        """What is wrong with a step of this loss and gradient norm; None: nothing."""
        if not (math.isfinite(loss) and math.isfinite(norm)):
            return f"loss {loss} or gradient {norm} is not finite"
        if self.steps < UNJUDGED:
            return None
        if loss - self.loss > LOSS_SPIKE * math.sqrt(self.variance) + 1e-6 * abs(self.loss):
            return f"loss {loss:.4g} is a spike above {self.loss:.4g}"
        if norm > NORM_SPIKE * self.norm:
            return f"gradient {norm:.4g} is a spike above {self.norm:.4g}"
        return None

    def after(self, loss: float, norm: float) -> "Health":
        """With one more step, which was learned from."""
        keep = min(DECAY, self.steps / (self.steps + 1))  # the plain mean, as long as there are few
        off = loss - self.loss
        return Health(
            self.steps + 1,
            self.loss + (1 - keep) * off,
            keep * (self.variance + (1 - keep) * off * off),
            keep * self.norm + (1 - keep) * norm,
        )
