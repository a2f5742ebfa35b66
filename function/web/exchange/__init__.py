"""One HTTP exchange: its ids, timings, receipt and report."""
