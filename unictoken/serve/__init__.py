"""A base with a folder of concepts as an HTTP server that OpenAI's clients understand.

    request -> gate (token, host, size) -> request.py (a checked Question or Order) -> worker's queue
            <- app.py (JSON, or events)  <- one thread that owns the base: questions in one batch,
                                            drawings in another

Needs the extra: pip install 'unictoken[serve]'
"""
