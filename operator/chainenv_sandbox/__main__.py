from chainenv_sandbox.cli import main

if __name__ == "__main__":
    main(prog_name="chainenv-sandbox")
