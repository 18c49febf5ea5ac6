"""What stands around the pages: hosts, the visitor's cookie, headers, and the files that the browser fetches."""
