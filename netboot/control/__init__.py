"""The control program: owns the store, feeds the boot program, serves the operator."""
