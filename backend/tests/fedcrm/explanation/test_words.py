from fedcrm.explanation import Story, sentence, why_of

LABELS = ["Tenure", "Contract", "Cases", "Amount"]


def said(points):
    return sentence(why_of(points), LABELS, "41.0")


def test_two_sides_are_both_told():
    assert said([-80, 220, 0, 90]) == (
        "Compared with the typical 41.0, “Contract” and “Amount” raise this score and “Tenure” lowers it."
    )


def test_one_side_alone_is_a_plain_sentence():
    assert said([0, 220, 0, 90]) == "“Contract” and “Amount” raise this score above the typical 41.0."
    assert said([-30, 0, 0, 0]) == "“Tenure” lowers this score below the typical 41.0."


def test_nothing_much_is_said_to_be_nothing_much():
    assert said([0, 0, 0, 0]) == "Nothing on this record moves its score far from the typical 41.0."
    assert why_of([]).story is Story.TYPICAL


def test_slight_ideas_are_not_named_beside_strong_ones():
    why = why_of([-5, 220, 10, 90])
    assert why.story is Story.RAISED
    assert why.raises == (1, 3)


def test_at_most_two_are_named_on_each_side_the_strongest_first():
    why = why_of([100, 120, 110, -90])
    assert why.raises == (1, 2)
    assert why.lowers == (3,)
