"""What PyInstaller freezes: the script that the frozen program begins with."""

from mlops_desk.frozen import main

main()
