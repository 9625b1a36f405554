from unictoken.cli import main

main()
