"""HTTP: uvicorn as it is run here, requests and their bounds, bodies and answers of REST, the page.

It is above the transports and the database, and knows no domain.
"""
