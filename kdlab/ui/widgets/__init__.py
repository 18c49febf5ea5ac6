"""The lab's own controls and figures in the browser, one component each."""
