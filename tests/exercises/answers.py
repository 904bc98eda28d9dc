"""Where the answers_*.py put right answers, and wrong ones with what they are told."""

RIGHT, WRONG = [], []  # (id, answer), (id, answer, part of the diagnosis)


def right(id):
    """Decorates an answer that has to be accepted."""

    def keep(answer):
        RIGHT.append((id, answer))
        return answer

    return keep


def wrong(id, told):
    """Decorates a mistake that people make; `told` is part of its diagnosis."""

    def keep(answer):
        WRONG.append((id, answer, told))
        return answer

    return keep
