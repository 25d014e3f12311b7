"""What a person decides about a training run."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator


class Stage(BaseModel):
    """A part of a run, learned from some of the data: small first and large later, or quickly first and exactly later.

    The spent part of the budget at which it ends; the most tokens of a sample it learns from (None: all samples); the
    part of the dreamed tokens that it drops from most clips, see `train.conditions.draw_kept`; the latent frames from
    the start of a sample that it learns from (None: all; 1: its first picture, the words for a fifth of the tokens).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    until: float = Field(1.0, gt=0, le=1)
    most_tokens: PositiveInt | None = None
    drop: float = Field(0.0, ge=0, lt=1)
    frames: PositiveInt | None = None


class TrainConfig(BaseModel):
    """A training run. Exactly one budget, `minutes` or `steps`; the learning rate falls to zero at its end.

    With `steps` a run that was killed and started again is equal to the last bit to one that was not, on the same
    machine. With `minutes` the learning rate follows the clock, and no two runs are the same.

    A step whose loss or gradient is not finite, or far above the last ones, is never learned from. `on_trouble` says
    what then: `stop` the run; `skip` the step; or `rewind`, go back to the weights of the last checkpoint and on with
    the data after the step (Chowdhery et al. 2022, section 5.1), which depends on when checkpoints were written.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    minutes: PositiveFloat | None = None
    steps: PositiveInt | None = None
    optimizer: Literal["muon", "adamw"] = "muon"  # of matrices inside blocks; AdamW for all else, see `train.optimizer`
    lr: PositiveFloat = 1e-3  # of AdamW; Muon's follows it
    lr_warmup_steps: int = Field(100, ge=0)
    lr_decay: float = Field(0.4, ge=0, le=1)  # last part of the budget over which the learning rate falls to zero
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = Field(0.01, ge=0)
    max_grad_norm: PositiveFloat = 1.0
    ema_decay: float = Field(0.998, ge=0, lt=1)
    on_trouble: Literal["stop", "skip", "rewind"] = "stop"
    precision: Literal["bf16", "fp32"] = "bf16"
    threads: PositiveInt | None = None  # that take parts of a step side by side; None: one for each core
    shard: PositiveInt | None = None  # ranks that share one copy of the weights; None: those of a machine
    sequence: PositiveInt = 1  # ranks that share the tokens of one part
    seed: int = Field(0, ge=0, lt=2**63)
    stages: tuple[Stage, ...] = ()  # one after the other; none: all of the data and whole clips from first to last
    sample_first: bool = False  # judge what there is before the first step: what fine-tuning starts from
    save_minutes: PositiveFloat = 3.0
    sample_minutes: PositiveFloat = 10.0

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if (self.minutes is None) == (self.steps is None):
            raise ValueError(
                f"minutes={self.minutes} and steps={self.steps}: give exactly one of the two as the budget"
            )
        return self

    @model_validator(mode="after")
    def _stages_follow_each_other(self) -> Self:
        ends = [stage.until for stage in self.stages]
        if ends and (ends != sorted(set(ends)) or ends[-1] != 1):
            raise ValueError(f"stages end at {ends}: let each end later than the one before, and the last one at 1")
        return self
