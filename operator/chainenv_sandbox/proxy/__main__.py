from chainenv_sandbox.proxy.cli import main

if __name__ == "__main__":
    main()
