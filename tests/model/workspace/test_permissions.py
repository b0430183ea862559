import pytest

from model.workspace.permissions import Action, Role, hash_of, may
from tests.kit.workspaces import webhook, workspace

# By action: who may do it to what is theirs or nobody's, and who to what somebody else made.
ALLOWED = {
    Action.READ: ("owner write read", "owner write read"),
    Action.TEST_EVENT: ("owner write", "owner write"),
    Action.REDRIVE: ("owner write", "owner write"),
    Action.CREATE_ALERT: ("owner write", "owner write"),
    Action.EDIT_ALERT: ("owner write", ""),
    Action.DELETE_ALERT: ("owner write", "owner"),
    Action.MUTE_ALERT: ("owner write", "owner"),
    Action.ACKNOWLEDGE_ALERT: ("owner write", "owner write"),
    Action.SUBSCRIBE: ("owner write read", ""),
    Action.TEST_CHANNEL: ("owner write", "owner write"),
}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
def test_who_may_do_what(role: Role, action: Action) -> None:
    own, of_others = ALLOWED[action]
    assert may(role, action) is (role in own.split())
    assert may(role, action, own=False) is (role in of_others.split())


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
