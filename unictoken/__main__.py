"""The `unictoken` command; `python -m unictoken` is the same."""

from unictoken.core.interrupts import interruptible


def main() -> None:
    interruptible("unictoken")  # in the seconds of the imports below

    from unictoken.cli import main as run

    run()


if __name__ == "__main__":
    main()
