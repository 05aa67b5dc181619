"""A server that speaks OpenAI's protocol and behaves as the name of the model says: server.py [SECONDS].

It prints its port, then serves until its input ends. SECONDS: how long each answer takes. The task is the
letter game of the toy plugin: the last "hint X" of a prompt asks for "take X". What a model does:

  number verl gym react ragen   answers rightly, in the form of that template
  seed        answers with a number that follows from the request's seed
  nonsense    answers without an action        empty     answers with null
  busy ill    429 and 500 twice, then "number" gone      404
  long        400 when the prompt shows more than two steps
  always      400 about the context, always    nokey     401, with the key in its words
  cut         closes in the middle of a reply  html      200 with a page
  slow        takes a second                   bare      200 without choices
  peak        answers with the number of requests in flight, at most
  likely      /completions with log-probabilities; "mute": without
"""
import asyncio, json, os, re, sys

pause = float(sys.argv[1]) if len(sys.argv) > 1 else 0
tries, in_flight, peak = {}, 0, 0


def right(text):
    found = re.findall(r"hint ([abc])", text)
    return found[-1] if found else "a"


def answer(model, body, text):
    letter = right(text)
    number = "abc".index(letter) + 1
    if model == "verl":
        return "<think>It hints.</think><action>Take %s</action>" % letter.upper()
    if model == "gym":
        return "Thought:\nIt hints.\n\nAction:\ntake %s" % letter
    if model == "react":
        return " take %s" % letter
    if model == "ragen":
        return "<think>It hints.</think> <answer>take %s</answer>" % letter
    if model == "seed":
        return str(1 + body.get("seed", 0) % 3)
    if model == "nonsense":
        return "I am sorry, I cannot shop."
    if model == "empty":
        return None
    if model == "peak":
        return str(peak)
    return str(number)


def likelihood(body):
    """Tokens are words; the right letter is likelier than the others, "take" and "wait" are equally likely."""
    text = body["prompt"]
    letter, tokens, offsets, numbers = right(text), [], [], []
    for found in re.finditer(r"\s*\S+|\s+", text):
        tokens.append(found.group())
        offsets.append(found.start())
        numbers.append(None if not numbers else -0.5 if found.group().strip() == letter else -1.5)
    return {"choices": [{"text": text + "!", "logprobs": {"tokens": tokens + ["!"], "text_offset": offsets + [len(text)],
                                                         "token_logprobs": numbers + [-9]}}]}


def reply(path, headers, body):
    """Status, further headers, JSON or bytes."""
    model = body["model"]
    messages = body.get("messages") or [{"content": body.get("prompt", "")}]
    text = "\n".join(message["content"] for message in messages)
    tries[model] = tries.get(model, 0) + 1
    if model in ("busy", "ill") and tries[model] % 3:
        status = 429 if model == "busy" else 500
        return status, "Retry-After: 0\r\n" if model == "busy" else "", {"error": {"message": "not now"}}
    if model == "gone":
        return 404, "", {"error": {"message": "The model `gone` does not exist."}}
    if model == "always" or (model == "long" and len(re.findall(r"\d\. take a", text)) > 3):
        return 400, "", {"error": {"message": "This model's maximum context length is 100 tokens."}}
    if model == "nokey":
        return 401, "", {"error": {"message": "Incorrect API key: %s" % headers.get("authorization", "none")}}
    if model == "html":
        return 200, "", b"<html>Welcome</html>"
    if model == "bare":
        return 200, "", {"object": "nothing"}
    if model in ("likely", "mute") and body.get("echo"):
        return 200, "", likelihood(body) if model == "likely" else {"choices": [{"text": text}]}
    said = answer(model, body, text)
    choice = {"message": {"role": "assistant", "content": said}} if "messages" in body else {"text": said}
    return 200, "", {"choices": [choice], "usage": {"prompt_tokens": len(text.split()), "completion_tokens": 1}}


async def serve(reader, writer):
    global in_flight, peak
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))) or b"{}")
            in_flight += 1
            peak = max(peak, in_flight)
            await asyncio.sleep(1 if body["model"] == "slow" else pause)
            status, more, said = reply(head[0].split()[1], headers, body)
            in_flight -= 1
            said = said if isinstance(said, bytes) else json.dumps(said).encode()
            start = "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n" % (status, len(said), more)
            if body["model"] == "cut":
                writer.write(start.encode() + said[:10])
                break
            writer.write(start.encode() + said)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)


asyncio.run(main())
