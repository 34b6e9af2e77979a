"""Agreement: whether the texts of a run, its tables, and what it starts from mean the same ids."""

from archlab.data.recipes import Recipe
from archlab.data.vocabulary import same
from archlab.program import Program
from archlab.refusal import Refusal
from archlab.start import Start


def check(programs: list[Program], recipes: dict[str, Recipe]) -> None:
    """Refuses texts of different ids, and tables that have no room for them.

    Args:
      programs: of the run's stages.
      recipes: by mixture.

    Raises:
      Refusal: two stages have different vocabularies, or one a table that is too small.
    """
    first = next(iter(recipes))
    for program in programs:
        name, many = program.stage.mixture, program.size.vocab
        recipe = recipes[name]
        if not same(recipe.content["vocabulary"], recipes[first].content["vocabulary"]):
            raise Refusal(
                f"{name} and {first} have different vocabularies, and a run has one table of them: "
                f"{recipe.content['vocabulary']} and {recipes[first].content['vocabulary']}",
                name,
            )
        if recipe.vocabulary.size > many:
            raise Refusal(
                f"Size.vocab={many} is too small for {name}, whose vocabulary has "
                f"{recipe.vocabulary.size} ids; Size.vocab={recipe.vocabulary.size} would do",
                "Size.vocab",
                program.number,
            )


def differences(start: Start, program: Program, recipes: dict[str, Recipe]) -> list[str]:
    """Finds what the ids of a text mean otherwise than where weights come from.

    Args:
      start: the weights.
      program: of the stage that begins with them.
      recipes: by mixture.

    Returns:
      What is to be known of it, in lines.

    Raises:
      Refusal: the text's own ids are others, and the stage has no surgery to account for it.
    """
    own, folder = recipes[program.stage.mixture].vocabulary.spec(), start.folder
    if same(own, start.vocabulary):
        return []
    if own.get("sha256") == start.vocabulary.get("sha256"):
        return [f"ids above the text's are not those that the weights of {folder} know"]
    if program.stage.surgery:
        return [f"the text's ids are not those that the weights of {folder} know"]
    names = [spec["path"] or "bytes" for spec in (start.vocabulary, own)]
    raise Refusal(
        f"the weights of {folder} know the ids of {names[0]}, and the text has those of "
        f"{names[1]}; Data.vocabulary names a vocabulary, and Stage.surgery = @Surgery() takes "
        "the weights all the same",
        "Run.start",
    )
