"""A lesson with all its exercises solved, no longer than it has to be."""

import re
import symtable

QUESTIONS = {"predict", "reveal"}


def what_solutions_reach(cells):
    """The code cells that a solution can change, those of the questions, and those
    that they build on.

    All others run in the test of the notebook as it stands.
    """
    code = [cell for cell in cells if cell.cell_type == "code"]
    reads, writes = zip(*(names_of(cell.source) for cell in code))
    wanted, solved = set(), set()  # positions, and the names of solutions
    for i, cell in enumerate(code):
        if "exercise" in cell.metadata.get("tags", []) or reads[i] & solved:
            wanted.add(i)
            solved |= writes[i]
        else:
            solved -= writes[i]
            in_place = ".backward()" in code[i].source  # no name leads to it
            wanted |= {i} if reads[i] & QUESTIONS or in_place else set()
    asked = sorted(wanted)
    while asked:
        position = asked.pop()
        for name in reads[position]:
            before = [i for i in range(position) if name in writes[i]]
            if before and before[-1] not in wanted:
                wanted.add(before[-1])
                asked.append(before[-1])
    return [code[i] for i in sorted(wanted)]


def names_of(source):
    """The names that a cell takes from others, and those that it defines."""
    source = re.sub(r"^(\s*)%.*", r"\1pass", source, flags=re.MULTILINE)  # %pip
    cell = symtable.symtable(source, "cell", "exec")
    reads = {one.get_name() for one in cell.get_symbols() if one.is_referenced()}
    writes = {
        one.get_name()
        for one in cell.get_symbols()
        if one.is_assigned() or one.is_imported()
    }
    inner = list(cell.get_children())
    for table in inner:
        inner += table.get_children()
        reads |= {one.get_name() for one in table.get_symbols() if one.is_global()}
    return reads - writes, writes
