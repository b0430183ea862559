import pytest

from model.permissions import Action, Role, may
from model.workspace_users import hash_of
from tests.workspaces import webhook, workspace

ALLOWED = {
    (Role.OWNER, Action.LOOK): True,
    (Role.OWNER, Action.TEST_EVENT): True,
    (Role.OWNER, Action.REDRIVE): True,
    (Role.WRITE, Action.LOOK): True,
    (Role.WRITE, Action.TEST_EVENT): True,
    (Role.WRITE, Action.REDRIVE): True,
    (Role.READ, Action.LOOK): True,
    (Role.READ, Action.TEST_EVENT): False,
    (Role.READ, Action.REDRIVE): False,
}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
def test_who_may_do_what(role: Role, action: Action) -> None:
    assert may(role, action) is ALLOWED[role, action]


def test_a_token_belongs_to_the_user_with_its_hash_and_the_file_does_not_give_it_away() -> None:
    users = [{"id": "ada", "role": "write", "token_hashes": [hash_of("t-1"), hash_of("t-2")]}]
    made = workspace([webhook("crm")], users=users)
    user = made.user_of("t-2")
    assert user is not None and (user.id, user.permission) == ("ada", Role.WRITE)
    assert made.user_of("t-3") is None and made.user_of(hash_of("t-1")) is None


@pytest.mark.parametrize(
    "wrong", [{"token_hashes": ["t-1"]}, {"email": "nobody"}, {"email": "a@b.c\nBcc: x@y.z"}, {"role": "root"}]
)
def test_what_is_wrong_about_a_user_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="hash|mail|role|Input should"):
        workspace([webhook("crm")], users=[{"id": "ada", "role": "read", **wrong}])
