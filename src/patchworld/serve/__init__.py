"""A server for the orphaned clients of the Videos API, on one's own machine.

api.py       HTTP: checks a request, puts a job into the queue, tells about it
body.py       JSON and forms with files, checked
operations.py  what can be asked for: each request as a verb with its arguments
answers.py   what is answered, and how a job is told as a video
problems.py  answers that are errors
document.py  the OpenAPI document
queue.py     jobs that are never lost, in one SQL table
database.py  SQLite on one machine, PostgreSQL for several
worker.py    a process that loads the model once and does jobs, small ones several at once
store.py     the files of jobs
upload.py    what strangers send, decoded in a guarded process
moderation.py  asks the operator's own program, before and after
gate.py       who may ask, how much may be sent, what is logged
webhooks.py  says by signed HTTP that a video is ready
play.py      a live world behind a websocket
page.py      the studio, a page that asks the API; studio/ is what was built from its source
server.py    all of it together: workers, sweeping, webhooks, HTTP
"""
