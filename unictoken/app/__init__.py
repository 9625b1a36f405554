"""A page in the browser for a base with a folder of concepts: `unictoken app`.

    unictoken app                          # http://127.0.0.1:7860, with the tiny base
    unictoken app --base leloy/Anole-7b-v0.1-hf --concepts shelf --runs runs

    Learn          drop three to five pictures, say what it is called and what it is, and press Learn.
                   A bar, the curve of the loss and drawings show how it goes; Stop keeps what is
                   done, and Go on continues from there, after a restart of the program too.
    Talk and draw  choose concepts, ask about them (with a picture or without), have them drawn.
    Compare        the same prompt with what was learned, with a description in words, with one
                   picture shown, and with nothing.
    Concepts       what each file says of itself; import, export, rename, forget, share.

The pages hold no state of a run: one that is closed stops nothing, and one that is opened shows what
is going on. One concept is learned at a time, others wait; questions and drawings go between two
steps. What cannot be done is one line on the page; a bug's traceback stands in the log of the
program.

Other machines reach the page only with `--host` and a name and password (`--user`, and the password
in $UNICTOKEN_APP_PASSWORD or `--password-file`). Everybody who is let in sees all concepts, and the
pictures that are kept of runs. Nothing is fetched from or sent to other places, but by Share.

    page.py (what is shown)  ->  runs.py (learnings)     ->  learn/, measure/report.py
                             ->  talk.py (asks, draws)   ->  serve/worker.py, serve/shelf.py
    site.py (who is let in)      turn.py: learning and worker take turns at the base

Needs the extra: pip install 'unictoken[app]'
"""
