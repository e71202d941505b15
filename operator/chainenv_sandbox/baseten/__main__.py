from chainenv_sandbox.baseten.cli import baseten

if __name__ == "__main__":
    baseten()
