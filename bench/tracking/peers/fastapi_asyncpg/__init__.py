"""FastAPI, pydantic v2 and a pool of asyncpg, under uvicorn with uvloop and httptools."""
