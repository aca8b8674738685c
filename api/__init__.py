from core.gc_tuning import spare_imports

spare_imports()
