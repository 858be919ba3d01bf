"""Every fault that the sandbox can show, one module per kind of fault; `registry` lists them all."""
