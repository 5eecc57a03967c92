export PYTHONPATH=/work/wt/cure OMP_NUM_THREADS=1
E() { /work/wt/cure/.venv/bin/python -c "import sys; from nnpcore.cli import main; sys.exit(main(sys.argv[1:]))" "$@"; }
D=/work/wt/cure/resources/data/si_dft
