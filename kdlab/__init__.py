"""KD Lab: learn knowledge distillation by doing it."""

import os

# Must be set before torch is first imported. By default OpenMP's threads spin while they wait for each other;
# on a machine whose cores are shared with a server and a browser that makes training 20 to 50 times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
