"""Django REST Framework as its tutorial has it, under Granian: a project and an app in one package."""
