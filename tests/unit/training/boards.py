"""A dashboard in memory."""

from lightning.pytorch.loggers import Logger

from avel.training.dashboards import Dashboard


class Board(Logger, Dashboard):
    """Keeps all that it is told."""

    name = version = "board"

    def __init__(self, run_id="mine"):
        super().__init__()
        self._id = run_id
        self.metrics, self.told, self.pictures, self.tables, self.curves = {}, [], {}, {}, {}

    run_id = property(lambda self: self._id)

    def log_hyperparams(self, params):
        pass

    def log_metrics(self, metrics, step=None):
        self.metrics |= metrics

    def describe(self, config):
        self.told.append(("describe", config))

    def show_picture(self, name, image, moment):
        self.pictures.setdefault(name, []).append((image, moment))

    def show_table(self, name, columns, rows, moment):
        self.tables.setdefault(name, []).append((columns, rows, moment))

    def show_curve(self, name, columns, points, moment):
        self.curves.setdefault(name, []).append((columns, points, moment))

    def keep(self, folder, paths, model):
        self.told.append(("keep", [path.relative_to(folder).as_posix() for path in paths], model))

    def resume(self, run_id):
        self._id = run_id

    def close(self, *, failed=False):
        self.told.append(("close", failed))
        return f"{self._id} is left"
