"""What the drivers call: a module that knows nothing of footfall."""


def work(number: int) -> int:
    return number


def fail(number: int) -> int:
    raise ValueError(number)


class Thing:
    def method(self, number: int) -> int:
        return number
